-- The copies of some actions, with what a list shows of them, in log order.
select
    verdicts.action as action,
    copies.event_id as event_id,
    copies.order_id as order_id,
    toString(copies.source) as source,
    copies.received_us as received_us,
    copies.marks as marks,
    arrayFilter(name -> name != '', [
        if(empty(em), '', 'em'), if(empty(ph), '', 'ph'), if(empty(fn), '', 'fn'), if(empty(ln), '', 'ln'),
        if(empty(db), '', 'db'), if(empty(ge), '', 'ge'), if(empty(ct), '', 'ct'), if(empty(st), '', 'st'),
        if(empty(zp), '', 'zp'), if(empty(country), '', 'country'), if(empty(external_id), '', 'external_id'),
        if(fbp = '', '', 'fbp'), if(fbc = '', '', 'fbc')
    ]) as match_keys,
    verdicts.kept as kept,
    verdicts.rule as rule,
    toString(copies.door) as door,
    copies.seq as seq,
    copies.pos as pos
from (select * from accepted where place in (select place from verdicts where action in {found:Array(UInt128)})) as copies
inner join verdicts on copies.place = verdicts.place
where verdicts.action in {found:Array(UInt128)}
order by copies.place
