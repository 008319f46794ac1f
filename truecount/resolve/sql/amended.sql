-- What amendments make of actions: each amends the action whose event time is nearest to the one it names, of equals the
-- newest; of several amendments of one action the last in log order counts.
select
    action,
    assumeNotNull(argMax(value_e4, amendment)) as new_e4,
    argMax(currency, amendment) as new_currency
from
(
    select
        originals.amendment as amendment,
        any(originals.value_e4) as value_e4,
        any(originals.currency) as currency,
        argMin(actions.action, (abs(actions.event_time_ms - originals.reference_ms), bitNot(actions.action))) as action
    from {originals:Identifier} as originals
    inner join {resolved:Identifier} as resolved on originals.original = resolved.place
    inner join special as actions on resolved.action = actions.action
    where originals.amends and isNotNull(originals.value_e4)
    group by amendment
)
group by action
