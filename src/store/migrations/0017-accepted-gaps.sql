-- Metrics ask at each scrape how many offsets operators have accepted as lost. Such rows are rare, but
-- transactions of Kafka clients fill the table with rows of the other reasons.
CREATE INDEX log_gaps_accepted ON log_gaps (log_id) WHERE reason = 'accepted';
