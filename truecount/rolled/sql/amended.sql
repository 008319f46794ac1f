-- Amendments whose original is there, by minute.
select
    'amended' as kind,
    'AppendValue' as event_name,
    amendment_ms - positiveModulo(amendment_ms, 60000) as bucket_ms,
    0 as class,
    0 as door,
    '' as word,
    '' as rule,
    {sign:Int64} * toInt64(uniqExact(amendment)) as n_amendments,
    toInt64(0) as n_copies,
    toInt64(0) as n_browser_copies,
    toInt64(0) as n_limited,
    toInt128(0) as total_e4,
    {sign:Int64} * toInt64(uniqExactIf(amendment, not amends)) as n_left_out,
    []::Array(String) as long_keys
from {originals:Identifier}
group by bucket_ms
