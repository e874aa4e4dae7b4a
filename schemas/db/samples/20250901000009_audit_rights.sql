INSERT INTO audit (number, account, role, act, case_id, detail, head)
VALUES (3, 'issuer-KZ-10', 'issuer', 'case-read', '00000000-0000-7000-8000-000000000005', '{"purpose": "issuance"}',
        decode(repeat('45', 32), 'hex'));
