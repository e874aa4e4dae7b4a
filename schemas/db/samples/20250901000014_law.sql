-- Two people, one picture; an outage that was reported; a case that was warned of.
UPDATE attachments SET likeness = decode(repeat('0d', 32), 'hex') WHERE which = 'photo';

INSERT INTO outages (system, began_at, began_business, ended_at, ended_business, source, reason, begun_by, ended_by)
VALUES ('portal', '2025-09-02 10:00+05', '2025-09-02 10:00+05', '2025-09-02 10:30+05', '2025-09-02 10:30+05', 'report',
        'the portal did not open', 'shell:sample', 'shell:sample');

INSERT INTO term_events (case_id, event, due, provisional, used, paused, whose, rule_version, at)
SELECT id, 'warning', '2025-09-23', false, 12, 0, '{"provider": 12}', 'sample', '2025-09-18 10:00+05'
FROM cases ORDER BY id LIMIT 1;
