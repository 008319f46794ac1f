-- What a check found, one row a subject, those first that most is wrong of. `units` are what it looked at: `bad` tells which are
-- wrong, `n` how many each row stands for. Wrong ones give their value once an event id, as its first copy with a value tells
-- it. What has no value is gathered in 1,024 parts by its id: enough to find five examples among the newest.
with
parts as
(
    select
        subject,
        bad,
        sum(n) as n_things,
        sumIf(n, received_us >= {quiet_from_us:Int64}) as n_lately,
        minIf(received_us, bad) as part_first_us,
        maxIf(received_us, bad) as part_last_us,
        sumForEachIf(extra, bad) as part_extras,
        maxIf((received_us, event_name, event_id, source, place), bad) as newest,
        argMinIf(assumeNotNull(value_e4), place, bad and isNotNull(value_e4) and currency != '') as part_e4,
        argMinIf(currency, place, bad and isNotNull(value_e4) and currency != '') as money
    from units
    group by
        subject,
        bad,
        if(bad, event_name, ''),
        multiIf(
            not bad, '',
            isNotNull(value_e4), once,
            toString(cityHash64(event_id, if(event_id = '', received_us, 0)) % 1024)
        )
)
select
    subject,
    sum(n_things) as looked_at,
    sumIf(n_things, bad) as affected,
    minIf(part_first_us, bad) as first_us,
    maxIf(part_last_us, bad) as last_us,
    ifNull(sumIf(n_lately, not bad), 0) as good_lately,
    sumForEachIf(part_extras, bad) as extras,
    arrayMap(
        example -> (example.2, example.3, example.4, toString(example.5)),
        groupArraySortedIf(5)((-newest.1, newest.2, newest.3, newest.4, newest.5), bad and newest.5 != 0)
    ) as examples,
    arrayMap(
        (currency, value_e4) -> (currency, toString(value_e4)),
        (sumMapIf([money], [toInt128(part_e4)], bad and money != '' and priced) as sums).1,
        sums.2
    ) as values,
    count() over () as subjects
from (select *, newest.2 not in {before_a_sale:Array(String)} as priced from parts)
group by subject
having affected >= {least:UInt64}
order by affected desc, subject
limit {most:UInt64}
