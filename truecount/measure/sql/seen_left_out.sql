-- The copies that were asked for and form no action: of visitors that are not counted, and amendments.
select
    place as action, 0 as kept, '' as rule, toUInt64(1) as n,
    toUInt64(browser_side) as of_browser,
    toString(door), seq, pos, toString(source), received_us, toString(event_name),
    event_id, order_id, url, toString(test_event_code), marks, notes, removed, 1 as asked
from accepted
where (left_out or event_name = 'AppendValue') and place in (select place from {targets:Identifier})
order by place
