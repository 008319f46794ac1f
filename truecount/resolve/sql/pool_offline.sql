-- The pool, of offline copies.
select place, fact, event_name, class, offline_key as key, 'offline' as source, 0 as browser_side, marks, fbp, external_id
from offline
where (
        (event_name, class, offline_key) in (select event_name, class, key from {wanted:Identifier} where round = {round:UInt8} and key != '')
        or place in (select place from {wanted:Identifier} where round = {round:UInt8} and key = '')
    )
