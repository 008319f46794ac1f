-- Which door, or event, fell silent? One that was heard of for a day or more, with twenty copies at least, and stays away three
-- times as long as its longest gap before that, and over an hour. Time goes in steps of ten minutes. What is missing by now
-- goes by the rate before. An event is told of only while a door that it came by is alive: else the door is the finding.
with
toInt64(600000000) as step_us,
arrivals as
(
    select
        event_name,
        source,
        intDiv(received_us, step_us) as step,
        count() as n_copies,
        max(received_us) as last_us,
        max(place) as newest,
        argMax(event_id, place) as newest_id
    from seen
    where received_us < {asked_us:Int64} and bitAnd(marks, {no_visits:UInt32}) = 0
    group by event_name, source, step
),
steps as
(
    select
        subject.1 as kind,
        subject.2 as name,
        step,
        sum(n_copies) as n_copies,
        max(last_us) as last_us,
        max(newest) as newest,
        argMax(newest_id, newest) as newest_id,
        argMax(event_name, newest) as newest_name,
        argMax(source, newest) as door
    from (select *, arrayJoin([('door', source), ('event', event_name)]) as subject from arrivals)
    group by kind, name, step

    union all

    select
        subject.1 as kind,
        subject.2 as name,
        intDiv({asked_us:Int64}, step_us) as step,
        toUInt64(0) as n_copies,
        {asked_us:Int64} as last_us,
        toUInt128(0) as newest,
        '' as newest_id,
        '' as newest_name,
        '' as door
    from (select distinct arrayJoin([('door', source), ('event', event_name)]) as subject from arrivals)
),
gaps as
(
    select
        *,
        sum(n_copies) over before as copies_before,
        min(step) over before as first_step,
        max(step) over before as step_before,
        max(newest) over before as newest_before,
        argMax(newest_id, newest) over before as id_before,
        argMax(newest_name, newest) over before as name_before,
        argMax(door, newest) over before as door_before,
        if(copies_before = 0, 0, step - step_before) as gap
    from steps
    window before as (partition by kind, name order by step, n_copies desc rows between unbounded preceding and 1 preceding)
),
judged as
(
    select
        *,
        max(gap) over (
            partition by kind, name order by step, n_copies desc rows between unbounded preceding and 1 preceding
        ) as longest,
        step_before - first_step + 1 as span,
        copies_before >= 20 and span >= 144 and gap > 6 and gap > 3 * greatest(longest, 1) as is_silence,
        newest = 0 as is_now
    from gaps
),
dead_doors as (select name from judged where kind = 'door' and is_now and is_silence),
living_events as (select event_name from arrivals where source not in (select name from dead_doors) group by event_name),
told as
(
    select
        *,
        is_silence and step = max(if(is_silence, step, 0)) over (partition by kind, name)
            and (kind = 'door' or not is_now or name in (select event_name from living_events)) as bad
    from judged
),
amounts as
(
    select
        event_name as sold,
        source as way,
        once,
        argMin(assumeNotNull(value_e4), place) as first_e4,
        argMin(currency, place) as money,
        min(place) as first_place
    from seen
    where isNotNull(value_e4) and currency != '' and event_name not in {before_a_sale:Array(String)}
        and received_us < {asked_us:Int64} and bitAnd(marks, {no_visits:UInt32}) = 0
    group by event_name, source, once
),
totals as
(
    select 'door' as total_kind, way as total_name, money as total_money, sum(toInt128(first_e4)) as total_e4
    from amounts
    group by way, money

    union all

    select 'event' as total_kind, sold as total_name, own_money as total_money, sum(toInt128(own_e4)) as total_e4
    from
    (
        select sold, once, argMin(first_e4, first_place) as own_e4, argMin(money, first_place) as own_money
        from amounts
        group by sold, once
    )
    group by sold, own_money
)
select
    [kind, name] as subject,
    bad,
    toUInt64(greatest(intDiv(copies_before * gap, span), 1)) as n,
    name_before as event_name,
    id_before as event_id,
    '' as once,
    door_before as source,
    last_us as received_us,
    newest_before as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    [toUInt64(gap * 10), toUInt64(greatest(longest, 1) * 10)] as extra
from told
where bad

union all

select
    [kind, name] as subject,
    0 as bad,
    n_copies as n,
    newest_name as event_name,
    newest_id as event_id,
    '' as once,
    door as source,
    last_us as received_us,
    newest as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    [toUInt64(0), toUInt64(0)] as extra
from told
where n_copies > 0

union all

select
    [kind, name] as subject,
    1 as bad,
    toUInt64(0) as n,
    if(kind = 'event', name, '') as event_name,
    '' as event_id,
    total_money as once,
    '' as source,
    last_us as received_us,
    toUInt128(0) as place,
    toInt64(least(intDiv(total_e4 * gap, span), 9223372036854775807)) as value_e4,
    total_money as currency,
    [toUInt64(0), toUInt64(0)] as extra
from told
inner join totals on told.kind = totals.total_kind and told.name = totals.total_name
where bad and is_now
