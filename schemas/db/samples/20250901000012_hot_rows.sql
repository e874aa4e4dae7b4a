-- The person whose first application is closed applies again: only a live one stands in the way.
INSERT INTO cases (id, service, flow_version, receipt, request_source, request_id, request_sha256, iin_hash, region,
                   language, filed_at, how, stage, visit, visits, journal_number, journal_head, case_key, key_id)
SELECT '00000000-0000-7000-8000-000000000012', service, flow_version, 'SAMPLE-12', request_source, 'request-12',
       decode(repeat('0c', 32), 'hex'), iin_hash, region, language, '2025-09-20 10:00+05', 'moving', 'intake', 1,
       '{"intake": 1}', 1, decode(repeat('2c', 32), 'hex'), '\x00', key_id
FROM cases WHERE receipt = 'SAMPLE-3';
