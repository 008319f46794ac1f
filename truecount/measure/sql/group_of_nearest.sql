-- The place of the first copy of the group that a copy belongs to.
select first_place from {resolved:Identifier} where place = {place:UInt128}
