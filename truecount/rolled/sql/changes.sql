-- What was added up, without the keys that came with it.
select * except long_keys from {rolling:Identifier}
