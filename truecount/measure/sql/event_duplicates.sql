-- Which rule removed the copies that the pool resolved, and what each was beside the copy that is kept: the other side's
-- first, or one more of its own side. Outside the pool it is event_id, and offline for offline copies.
select class, cause, rule, count() as n
from
(
    select
        class,
        rule,
        kept,
        multiIf(browser != kept_browser and nth = 1, 'other_door', browser, 'browser_again', 'server_again') as cause
    from
    (
        select
            merged.class as class,
            merged.browser as browser,
            verdicts.rule as rule,
            verdicts.kept as kept,
            max(verdicts.kept and merged.browser) over (partition by verdicts.action) as kept_browser,
            row_number() over (partition by verdicts.action, merged.browser order by merged.place) as nth
        from verdicts
        inner join (select place, class, browser from {resolved:Identifier}) as merged on verdicts.place = merged.place
        where verdicts.action in (
            select action
            from special
            where event_name = {event_name:String} and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
        )
    )
)
where not kept
group by class, cause, rule
