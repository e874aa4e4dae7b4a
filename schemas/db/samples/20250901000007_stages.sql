INSERT INTO payment.orders (case_id, visit, key, number, amount_tiyn, until, state, changed_at)
VALUES ('00000000-0000-7000-8000-000000000002', 1, 'charge/00000000-0000-7000-8000-000000000002/duty', 'SAMPLE-O-2',
        78640, '2025-09-12 10:05+05', 'open', '2025-09-02 10:06+05');

INSERT INTO review.decisions (case_id, visit, region, outcome, reason, account, signature_sha256, decided_at)
VALUES ('00000000-0000-7000-8000-000000000003', 1, 'KZ-75', 'approved', NULL, 'reviewer-KZ-75', repeat('0', 64),
        '2025-09-01 12:00+05'),
       ('00000000-0000-7000-8000-000000000004', 1, 'KZ-71', 'cancelled', 'photo-quality', 'reviewer-KZ-71',
        repeat('0', 64), '2025-09-01 12:00+05');

INSERT INTO issuance.handovers (case_id, region, account, handed_at)
VALUES ('00000000-0000-7000-8000-000000000003', 'KZ-75', 'issuer-KZ-75', '2025-09-02 10:10+05');
