-- Which door, or event, fell silent? One that was heard of for a day or more, with twenty copies at least, and stays away three
-- times as long as its longest gap before that, and over an hour. Time goes in steps of ten minutes. What is missing by now
-- goes by the rate before. An event is told of only while a door that it came by is alive: else the door is the finding.
with
arrivals as
(
    select
        intDiv(received_us, 600000000) as step,
        event_name,
        source,
        count() as n_copies,
        max(received_us) as last_us,
        max(place) as newest,
        argMax(event_id, place) as newest_id
    from seen
    where received_us < {asked_us:Int64} and bitAnd(marks, {no_visits:UInt32}) = 0
    group by step, event_name, source
),
steps as  -- of each door and each event, and a last one that is now
(
    select
        about.1 as kind,
        about.2 as name,
        about.3 as is_now,
        if(is_now, intDiv({asked_us:Int64}, 600000000), step) as at_step,
        sumIf(n_copies, not is_now) as arrived,
        if(is_now, {asked_us:Int64}, max(last_us)) as at_us,
        if(is_now, toUInt128(0), max(newest)) as last_place,
        argMax(newest_id, newest) as last_id,
        argMax(event_name, newest) as last_name,
        argMax(source, newest) as last_door,
        groupUniqArray(source) as doors
    from
    (
        select *, arrayJoin([('door', source, 0), ('event', event_name, 0), ('door', source, 1), ('event', event_name, 1)]) as about
        from arrivals
    )
    group by kind, name, is_now, at_step
),
gaps as
(
    select
        *,
        sum(arrived) over before as arrived_before,
        max(at_step) over before - min(at_step) over before + 1 as span,
        max((last_place, last_id, last_name, last_door)) over before as last_before,
        if(arrived_before = 0, 0, at_step - max(at_step) over before) as gap
    from steps
    window before as (partition by kind, name order by at_step, is_now rows between unbounded preceding and 1 preceding)
),
silences as
(
    select
        *,
        max(gap) over (
            partition by kind, name order by at_step, is_now rows between unbounded preceding and 1 preceding
        ) as longest,
        arrived_before >= 20 and span >= 144 and gap > 6 and gap > 3 * greatest(longest, 1) as is_silence
    from gaps
),
told as
(
    select
        *,
        is_silence
            and at_step = max(if(is_silence, at_step, 0)) over (partition by kind, name)
            and (
                kind = 'door' or not is_now
                or not hasAll(groupUniqArrayIf(name, kind = 'door' and is_now and is_silence) over (), doors)
            ) as is_told
    from silences
),
sales as
(
    select
        event_name as sold,
        source as way,
        once as sale,
        argMin(toInt128(assumeNotNull(value_e4)), place) as first_e4,
        argMin(currency, place) as money,
        min(place) as first_place
    from seen
    where isNotNull(value_e4) and currency != '' and event_name not in {before_a_sale:Array(String)}
        and received_us < {asked_us:Int64} and bitAnd(marks, {no_visits:UInt32}) = 0
    group by event_name, source, once
),
totals as  -- what a door, or an event, brought in all
(
    select sale_of.1 as total_kind, sale_of.2 as total_name, sumMap([money], [first_e4]) as total
    from
    (
        select sale_of, argMin(first_e4, first_place) as first_e4, argMin(money, first_place) as money
        from (select *, arrayJoin([('door', way), ('event', sold)]) as sale_of from sales)
        group by sale_of, sold, sale
    )
    group by sale_of
)
select
    [kind, name] as subject,
    row.1 as bad,
    row.2 as n,
    row.3.3 as event_name,
    row.3.2 as event_id,
    row.5 as once,
    row.3.4 as source,
    row.7 as received_us,
    row.3.1 as place,
    row.4 as value_e4,
    row.5 as currency,
    row.6 as extra
from
(
    select
        *,
        arrayJoin(arrayConcat(
            [(
                toUInt8(0), arrived, (last_place, last_id, last_name, last_door), null::Nullable(Int64), '',
                [toUInt64(0), toUInt64(0)], at_us
            )],
            if(is_told, [
                (
                    toUInt8(1), toUInt64(greatest(intDiv(arrived_before * gap, span), 1)), last_before, null::Nullable(Int64),
                    '', [toUInt64(gap * 10), toUInt64(greatest(longest, 1) * 10)], at_us
                ),
                (  -- when it began
                    toUInt8(1), toUInt64(0), (toUInt128(0), '', '', ''), null::Nullable(Int64), '', [toUInt64(0), toUInt64(0)],
                    toInt64(bitShiftRight(last_before.1, 76)) - 1125899906842624
                )
            ], []),
            if(is_told and is_now, arrayMap(
                (money, value_e4) -> (
                    toUInt8(1), toUInt64(0), (toUInt128(0), '', '', ''),
                    toNullable(toInt64(least(intDiv(value_e4 * gap, span * 100) * 100, toInt128(9000000000000000000)))),
                    money, [toUInt64(0), toUInt64(0)], at_us
                ),
                totals.total.1, totals.total.2
            ), [])
        )) as row
    from told
    left join totals on told.kind = totals.total_kind and told.name = totals.total_name
)
