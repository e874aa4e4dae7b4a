INSERT INTO journal (case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor, rule_version,
                     detail, calls, head)
SELECT id, 1, 0, filed_at, now(), 'intake', 1, 'open', NULL, '{"actor": "applicant"}', 'sample', '{}', '[]',
       decode(repeat('21', 32), 'hex')
FROM cases;

INSERT INTO ledger (posting_id, line, case_id, account, amount_tiyn, kind, source, reference, at)
VALUES
    ('00000000-0000-7000-8000-000000000031', 1, '00000000-0000-7000-8000-000000000003', 'case', 78640, 'received',
     'rp-drn', 'SAMPLE-P-1', '2025-09-01 10:10+05'),
    ('00000000-0000-7000-8000-000000000031', 2, '00000000-0000-7000-8000-000000000003', 'provider', -78640, 'received',
     'rp-drn', 'SAMPLE-P-1', '2025-09-01 10:10+05'),
    ('00000000-0000-7000-8000-000000000032', 1, '00000000-0000-7000-8000-000000000003', 'revenue', 78640, 'earned',
     'kezek', 'earned/00000000-0000-7000-8000-000000000003', '2025-09-02 10:10+05'),
    ('00000000-0000-7000-8000-000000000032', 2, '00000000-0000-7000-8000-000000000003', 'case', -78640, 'earned',
     'kezek', 'earned/00000000-0000-7000-8000-000000000003', '2025-09-02 10:10+05'),
    ('00000000-0000-7000-8000-000000000033', 1, NULL, 'suspense', 12300, 'received-suspense', 'rp-drn', 'SAMPLE-P-3',
     '2025-09-02 10:11+05'),
    ('00000000-0000-7000-8000-000000000033', 2, NULL, 'provider', -12300, 'received-suspense', 'rp-drn', 'SAMPLE-P-3',
     '2025-09-02 10:11+05');

INSERT INTO audit (number, account, role, act, case_id, detail, head)
VALUES (1, 'reviewer-KZ-75', 'reviewer', 'case-read', '00000000-0000-7000-8000-000000000001',
        '{"purpose": "review", "sections": ["form"]}', decode(repeat('41', 32), 'hex'));

INSERT INTO seals (day, what, entries, digest)
VALUES ('2025-09-01', 'journal', 2, decode(repeat('42', 32), 'hex')),
       ('2025-09-01', 'audit', 0, decode(repeat('43', 32), 'hex'));
