-- An issuing officer hands cards over at his own registration points only (A3.19); reviewers and others have none.
ALTER TABLE accounts ADD COLUMN points text[] NOT NULL DEFAULT '{}';

-- A new application after a cancelled one is found by the person's keyed hash (A11c). Only cancelled cases lie in it: the
-- update that closes a case changes `is_open` anyway, so no other update is made dearer.
CREATE INDEX cases_cancelled_of_person ON cases (iin_hash, filed_at) WHERE closing = 'cancelled';
