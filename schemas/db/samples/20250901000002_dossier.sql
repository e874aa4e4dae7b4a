-- Sealed bodies are placeholders here.
INSERT INTO dossier (case_id, section, stage, visit, ticket, version, body, written_at)
SELECT id, 'form', 'door', 1, 0, 1, '\x00', filed_at FROM cases;

INSERT INTO attachments (case_id, which, media_type, sha256, bytes, body)
SELECT id, which, 'application/octet-stream', decode(repeat('0a', 32), 'hex'), 1, '\x00'
FROM cases, unnest(ARRAY['photo', 'signature', 'signed-content', 'eds']) AS which;
