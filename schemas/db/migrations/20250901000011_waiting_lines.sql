-- What the engine asks for many times a second has an index: answers on their way, and whose turn it is to be sent.
ALTER TABLE outbox ADD COLUMN tried_at timestamptz;
CREATE INDEX arrivals_on_their_way ON arrivals (case_id, stage) WHERE state = 'moving';
CREATE INDEX outbox_turn ON outbox ((coalesce(tried_at, created_at))) WHERE set_aside_at IS NULL;
