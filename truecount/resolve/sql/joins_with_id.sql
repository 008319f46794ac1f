-- Key B: which rule made each claim. The tokens that two items share are all of one rule.
select claims.group_place as group_place, claims.browser_place as browser_place, min(asking.rule) as rule
from {claims:Identifier} as claims
inner join (select place, token, rule from {tokens:Identifier} where server) as asking on claims.group_place = asking.place
inner join (select place, token from {tokens:Identifier} where not server) as offered
    on claims.browser_place = offered.place and asking.token = offered.token
group by group_place, browser_place
