-- rebuild
-- When an imported copy was written to the log, by the writer's clock; 0 for all others. Imported copies keep times of
-- their own, and this tells whether one came before its dataset was deleted and made again.
ALTER TABLE copies {on_cluster} ADD COLUMN IF NOT EXISTS imported_us Int64 DEFAULT 0 CODEC(Delta, ZSTD(1));
