-- What dedup says of each copy of the pool, and the rule that decided.
select
    resolved.event_name as event_name,
    resolved.place as place,
    resolved.action as action,
    resolved.place = actions.kept_place as kept,
    multiIf(
        resolved.place = actions.kept_place and resolved.place != resolved.action, 'browser_within_5_min',
        resolved.place = actions.kept_place and resolved.key = '' and (resolved.class != 0 or resolved.keyless), 'no_key',
        resolved.place = actions.kept_place and resolved.session > 1, 'outside_window',
        resolved.place = actions.kept_place, 'first_received',
        resolved.class = 2, 'offline',
        resolved.first_place != resolved.action and resolved.place = resolved.first_place, resolved.join_rule,
        'event_id'
    ) as rule
from {resolved:Identifier} as resolved
inner join special as actions on resolved.action = actions.action
