UPDATE outbox SET tried_at = '2025-09-05 05:00:00+00';
