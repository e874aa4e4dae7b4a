-- A case that waits for nobody yet, with a job of its own: the functions say that both rows are lawful.
INSERT INTO cases (id, service, flow_version, receipt, request_source, request_id, request_sha256, iin_hash, region,
                   language, filed_at, how, stage, visit, visits, journal_number, journal_head, case_key, key_id)
SELECT '00000000-0000-7000-8000-000000000013', service, flow_version, 'SAMPLE-13', request_source, 'request-13',
       decode(repeat('0d', 32), 'hex'), decode(repeat('ed', 32), 'hex'), region, language, '2025-09-21 10:00+05',
       'moving', 'intake', 1, '{"intake": 1}', 1, decode(repeat('2d', 32), 'hex'), '\x00', key_id
FROM cases WHERE receipt = 'SAMPLE-3';
INSERT INTO jobs (subject_id, subject, case_id, ticket, stage, visit, kind, version, body, routing_key)
VALUES ('00000000-0000-7000-8000-000000000013', 'case', '00000000-0000-7000-8000-000000000013', 1, 'intake', 1,
        'intake.job', 1, '{}', 'intake');
