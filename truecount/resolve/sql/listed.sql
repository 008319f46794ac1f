-- Every action once, with the rules that its copies met and the value that amendments left it. `door` says who reported it:
-- 0 both, 1 the browser's side alone, 2 the server's side alone.
select * from listed_plain
union all
select * from listed_special
