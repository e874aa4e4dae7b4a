UPDATE holds SET lapse_ticket = ticket, lapse_at = '2025-09-05 05:00:00+00';
