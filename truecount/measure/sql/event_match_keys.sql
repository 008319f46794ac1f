-- Which match keys the copies of one event name carry, by source. `held` follows the order of `keys`; of the rarer ones,
-- which lie in a map, the names come with their counts.
select
    toString(source) as origin,
    count() as n,
    [
        countIf(notEmpty(em)), countIf(notEmpty(ph)), countIf(notEmpty(fn)), countIf(notEmpty(ln)), countIf(notEmpty(db)),
        countIf(notEmpty(ge)), countIf(notEmpty(ct)), countIf(notEmpty(st)), countIf(notEmpty(zp)),
        countIf(notEmpty(country)), countIf(notEmpty(external_id)), countIf(fbp != ''), countIf(fbc != '')
    ] as held,
    countIf(weak != 0) as address_and_agent,
    countIf(notEmpty(em) or notEmpty(ph) or notEmpty(external_id)) as strong,
    sumMap(mapKeys(other_keys), arrayMap(name -> toUInt64(1), mapKeys(other_keys))) as others
from copies
where dataset = {dataset:String} and event_name = {event_name:String}
    and bitAnd(marks, {left_out_marks:UInt32}) = 0
    and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
group by source
