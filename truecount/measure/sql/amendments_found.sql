-- Amendments whose original was found: all, and those in the range.
select
    uniqExact(amendment),
    uniqExactIf(amendment, in_range),
    uniqExactIf(amendment, in_range and not amends),
    minIf(amendment_ms, in_range),
    maxIf(amendment_ms, in_range)
from (select *, amendment_ms >= {since_ms:Int64} and amendment_ms < {until_ms:Int64} as in_range from {originals:Identifier})
