-- An officer who hands cards over at two points, and a cancelled case that a new application follows.
INSERT INTO accounts (account, role, region, token_sha256, points)
VALUES ('issuer-75-points', 'issuer', 'KZ-75', sha256('points'), ARRAY['KZ-75-01', 'KZ-75-02']);
