-- What is wrong with the subject of a finding, in a form that changes only if something else is wrong:
-- an acknowledgement holds for what was seen, and not for what is done to the same row afterwards.
ALTER TABLE proof_findings ADD COLUMN evidence text;
