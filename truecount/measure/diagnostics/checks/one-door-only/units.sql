-- Which standard events does one door of the website send alone, though the other door sends other events? PageView is the
-- browser's by nature. An event that the other door sends later, after a day or more, was missing until then.
with
firsts as
(
    select
        event_name as name,
        countIf(browser_side) as browser_copies,
        countIf(not browser_side) as server_copies,
        minIf(received_us, browser_side) as browser_us,
        minIf(received_us, not browser_side) as server_us
    from seen
    where source in ('browser', 'server')
    group by event_name
),
doors as (select sum(browser_copies) > 0 and sum(server_copies) > 0 as both_send from firsts),
silent as
(
    select
        name,
        if(server_copies = 0 or (browser_copies > 0 and browser_us <= server_us), 'browser', 'server') as door,
        if(door = 'browser', 'server', 'browser') as missing,
        browser_copies = 0 or server_copies = 0 as never,
        greatest(browser_us, server_us) as missing_until_us,
        never or abs(browser_us - server_us) >= 86400000000 as long
    from firsts
    where long and name in {standard:Array(String)} and name != 'PageView' and (select both_send from doors)
)
select
    [event_name, door, missing] as subject,
    side = door and (never or received_us < missing_until_us) as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    value_e4,
    currency,
    []::Array(UInt64) as extra
from (select * from seen where source in ('browser', 'server') and event_name in (select name from silent)) as own
inner join silent on own.event_name = silent.name
