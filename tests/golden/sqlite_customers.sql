CREATE TRIGGER "replicator_capture_before_insert_customers" BEFORE INSERT ON "customers"
WHEN EXISTS (SELECT 1 FROM "customers" WHERE "id" = new."id")
  OR EXISTS (SELECT 1 FROM "customers" WHERE "name" = new."name")
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "name", "credit", "note"
  FROM "customers" WHERE "id" = new."id";
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "name", "credit", "note"
  FROM "customers" WHERE "name" = new."name";
END;

CREATE TRIGGER "replicator_capture_before_update_customers" BEFORE UPDATE OF "id", "name" ON "customers"
WHEN EXISTS (SELECT 1 FROM "customers" WHERE "id" = new."id" AND NOT ("id" IS old."id"))
  OR EXISTS (SELECT 1 FROM "customers" WHERE "name" = new."name" AND NOT ("id" IS old."id"))
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "name", "credit", "note"
  FROM "customers" WHERE "id" = new."id" AND NOT ("id" IS old."id");
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "name", "credit", "note"
  FROM "customers" WHERE "name" = new."name" AND NOT ("id" IS old."id");
END;

CREATE TRIGGER "replicator_capture_delete_customers" AFTER DELETE ON "customers"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  VALUES (7, 'D', julianday('now'), old."id", old."name", old."credit", old."note");
END;

CREATE TRIGGER "replicator_capture_rekey_customers" AFTER UPDATE ON "customers" WHEN NOT (new."id" IS old."id")
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  VALUES (7, 'D', julianday('now'), old."id", old."name", old."credit", old."note");
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4)
  VALUES (7, 'I', julianday('now'), new."id", new."name", new."credit", new."note");
END;

CREATE TRIGGER "replicator_capture_update_customers" AFTER UPDATE ON "customers" WHEN new."id" IS old."id"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4, o1, o2, o3, o4)
  VALUES (7, 'U', julianday('now'), new."id", new."name", new."credit", new."note",
    NULL,
    CASE WHEN new."name" COLLATE BINARY IS NOT old."name" THEN ifnull(old."name", new."name") END,
    CASE WHEN new."credit" IS NOT old."credit" THEN ifnull(old."credit", new."credit") END,
    CASE WHEN new."note" IS NOT old."note" THEN ifnull(old."note", new."note") END);
END;

CREATE TRIGGER "replicator_capture_insert_customers" AFTER INSERT ON "customers"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4)
  VALUES (7, 'I', julianday('now'), new."id", new."name", new."credit", new."note");
END;
