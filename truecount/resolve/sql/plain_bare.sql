-- One row for each copy without an id that needs no closer look: an action of its own. The profile sums these up too (`bare`).
select
    event_name,
    class,
    '' as key,
    1 as bare,
    place as action,
    0 as long,
    1 as copies,
    toUInt64(browser_side) as browser_copies,
    bitAnd(marks, 32) != 0 as limited,
    value_e4,
    transform(currency, {currencies:Array(String)}, {units:Array(UInt64)}, toUInt64(0)) as unit,
    event_time_ms,
    place as kept_place,
    class != 0 or (fbp = '' and empty(external_id)) as keyless
from counted
where event_id = '' and source != 'offline'
    and (
        not {any_wanted:UInt8}
        or event_name not in {pooled_names:Array(String)}
        or place not in (select place from {wanted:Identifier} where key = '')
    )
