-- What a check found, one row a subject. `units` are what it looked at: `bad` tells which are wrong, `n` how many each row
-- stands for. Wrong ones give their value once an event id, as its first copy with a value tells it.
with
counted as
(
    select
        subject,
        sum(n) as looked_at,
        sumIf(n, bad) as affected,
        minIf(received_us, bad) as first_us,
        maxIf(received_us, bad) as last_us,
        ifNull(sumIf(n, not bad and received_us >= {quiet_from_us:Int64}), 0) as good_lately,
        sumForEachIf(extra, bad) as extras,
        groupArraySortedIf(5)((-received_us, event_name, event_id, source, place), bad and place != 0) as examples
    from units
    group by subject
    having affected >= {least:UInt64}
),
valued as
(
    select subject, currency, sum(first_e4) as value_e4
    from
    (
        select
            subject,
            event_name,
            once,
            argMin(assumeNotNull(value_e4), place) as first_e4,
            argMin(currency, place) as currency
        from units
        where bad and isNotNull(value_e4) and currency != '' and event_name not in {before_a_sale:Array(String)}
        group by subject, event_name, once
    )
    group by subject, currency
)
select
    counted.subject,
    looked_at,
    affected,
    first_us,
    last_us,
    good_lately,
    extras,
    arrayMap(
        example -> (example.2, example.3, example.4, toString(example.5)), examples
    ) as examples,
    values
from counted
left join
(
    select subject, arraySort(groupArray((currency, toString(value_e4)))) as values from valued group by subject
) as priced on counted.subject = priced.subject
order by counted.subject
