-- What is shown of an action: its copies.
select place, action, kept, rule from verdicts where action = {action:UInt128}
