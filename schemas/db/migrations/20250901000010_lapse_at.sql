-- When the last lapse of a hold was issued (real time): one that the broker lost is issued again.
ALTER TABLE holds ADD COLUMN lapse_at timestamptz;
