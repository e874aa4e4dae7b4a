-- The audit trail is written by the engine, before anything is shown, and chained by it. The console's role neither
-- needs it nor may it: it would see cases of every region there, and could forge the chain.
REVOKE ALL ON audit FROM kezek_console;
