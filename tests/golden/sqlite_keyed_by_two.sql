CREATE TRIGGER "replicator_capture_before_insert_keyed_by_two" BEFORE INSERT ON "keyed_by_two"
WHEN EXISTS (SELECT 1 FROM "keyed_by_two" WHERE "code" = new."code" AND "part" = new."part")
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3)
  SELECT 7, CASE WHEN "code" IS new."code" AND "part" IS new."part" THEN 'K' ELSE 'M' END, julianday('now'), "code", "part", "data"
  FROM "keyed_by_two" WHERE "code" = new."code" AND "part" = new."part";
END;

CREATE TRIGGER "replicator_capture_before_update_keyed_by_two" BEFORE UPDATE OF "code", "part" ON "keyed_by_two"
WHEN EXISTS (SELECT 1 FROM "keyed_by_two" WHERE "code" = new."code" AND "part" = new."part" AND NOT ("code" IS old."code" AND "part" IS old."part"))
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3)
  SELECT 7, CASE WHEN "code" IS new."code" AND "part" IS new."part" THEN 'K' ELSE 'M' END, julianday('now'), "code", "part", "data"
  FROM "keyed_by_two" WHERE "code" = new."code" AND "part" = new."part" AND NOT ("code" IS old."code" AND "part" IS old."part");
END;

CREATE TRIGGER "replicator_capture_delete_keyed_by_two" AFTER DELETE ON "keyed_by_two"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3)
  VALUES (7, 'D', julianday('now'), old."code", old."part", old."data");
END;

CREATE TRIGGER "replicator_capture_rekey_keyed_by_two" AFTER UPDATE ON "keyed_by_two" WHEN NOT (new."code" IS old."code" AND new."part" IS old."part")
BEGIN
  SELECT RAISE(ABORT, 'the primary key of keyed_by_two must not be NULL, as the table is replicated') WHERE new."code" IS NULL OR new."part" IS NULL;
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3)
  VALUES (7, 'D', julianday('now'), old."code", old."part", old."data");
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3)
  VALUES (7, 'I', julianday('now'), new."code", new."part", new."data");
END;

CREATE TRIGGER "replicator_capture_update_keyed_by_two" AFTER UPDATE ON "keyed_by_two" WHEN new."code" IS old."code" AND new."part" IS old."part"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4, o1, o2, o3)
  VALUES (7, 'U', julianday('now'), new."code", new."part", new."data", old."data" IS NULL,
    NULL,
    NULL,
    CASE WHEN new."data" IS NOT old."data" OR typeof(new."data") <> typeof(old."data") OR (new."data" = 0 AND typeof(new."data") = 'real') THEN ifnull(old."data", 1) END);
END;

CREATE TRIGGER "replicator_capture_insert_keyed_by_two" AFTER INSERT ON "keyed_by_two"
BEGIN
  SELECT RAISE(ABORT, 'the primary key of keyed_by_two must not be NULL, as the table is replicated') WHERE new."code" IS NULL OR new."part" IS NULL;
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3)
  VALUES (7, 'I', julianday('now'), new."code", new."part", new."data");
END;
