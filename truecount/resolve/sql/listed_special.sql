-- The actions of the pool, in the columns of `listed`: amendments applied.
select
    actions.event_name as event_name,
    actions.class as class,
    actions.key as key,
    actions.action as action,
    actions.kept_place as kept_place,
    actions.copies as copies,
    actions.browser_copies as browser_copies,
    multiIf(actions.browser_copies = actions.copies, 1, actions.browser_copies = 0, 2, 0) as door,
    actions.limited as limited,
    if(amended.action != 0, amended.value_e4, actions.value_e4) as value_e4,
    if(
        amended.action != 0 and amended.currency != '',
        transform(amended.currency, {currencies:Array(String)}, {units:Array(UInt64)}, toUInt64(0)),
        actions.unit
    ) as unit,
    actions.event_time_ms as event_time_ms,
    met.rules as rules
from special as actions
inner join (select action, arraySort(groupUniqArray(rule)) as rules from verdicts group by action) as met
    on actions.action = met.action
left join {amended:Identifier} as amended on actions.action = amended.action
