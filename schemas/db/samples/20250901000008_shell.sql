-- Rows of another day for the indexes by day.
INSERT INTO journal (case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor, rule_version,
                     detail, calls, head)
VALUES ('00000000-0000-7000-8000-000000000001', 2, 1, '2025-09-03 10:00+05', now() - interval '1 day', 'intake', 1,
        'retry', NULL, '{"actor": "system"}', 'sample', '{"cause": "timeout", "rung": "200ms"}', '[]',
        decode(repeat('26', 32), 'hex'));

INSERT INTO audit (number, at, account, role, act, case_id, detail, head)
VALUES (2, now() - interval '1 day', 'reviewer-KZ-71', 'reviewer', 'picture-read',
        '00000000-0000-7000-8000-000000000002', '{"which": "photo"}', decode(repeat('44', 32), 'hex'));
