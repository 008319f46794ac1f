-- Copies by their places.
select arrayJoin({places:Array(UInt128)}) as place
