-- The offline copies that form actions, with their key: event time, name, item and order id, else the same set of match keys;
-- neither: no key.
select
    event_name,
    class,
    received_us,
    event_time_ms,
    value_e4,
    currency,
    marks,
    fbp,
    external_id,
    place,
    fact,
    multiIf(
        order_id != '', hex(sipHash128('order', event_time_ms, item_number, order_id)),
        empty(em) and empty(ph) and empty(fn) and empty(ln) and empty(db) and empty(ge) and empty(ct) and empty(st)
            and empty(zp) and empty(country) and empty(external_id) and fbp = '' and fbc = '' and empty(other_keys), '',
        hex(sipHash128(
            'keys', event_time_ms, item_number, fbp, fbc,
            arraySort(em), '|', arraySort(ph), '|', arraySort(fn), '|', arraySort(ln), '|', arraySort(db), '|',
            arraySort(ge), '|', arraySort(ct), '|', arraySort(st), '|', arraySort(zp), '|', arraySort(country), '|',
            arraySort(external_id), '|', arraySort(mapKeys(other_keys)),
            arrayMap(key -> other_keys[key], arraySort(mapKeys(other_keys)))
        ))
    ) as offline_key
from accepted
where source = 'offline' and not left_out and event_name != 'AppendValue'
