CREATE TRIGGER "replicator_capture_before_insert_special_indexes" BEFORE INSERT ON "special_indexes"
WHEN EXISTS (SELECT 1 FROM "special_indexes" WHERE "kind" = ifnull(new."kind", 'x') AND (active = 1))
  OR EXISTS (SELECT 1 FROM "special_indexes" WHERE (lower(label)) COLLATE BINARY = (SELECT lower(label) FROM (SELECT new."label" AS "label")) AND "kind" COLLATE RTRIM = ifnull(new."kind", 'x'))
  OR EXISTS (SELECT 1 FROM "special_indexes" WHERE "id" = new."id")
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE "kind" = ifnull(new."kind", 'x') AND (active = 1);
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE (lower(label)) COLLATE BINARY = (SELECT lower(label) FROM (SELECT new."label" AS "label")) AND "kind" COLLATE RTRIM = ifnull(new."kind", 'x');
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE "id" = new."id";
END;

CREATE TRIGGER "replicator_capture_before_update_special_indexes" BEFORE UPDATE ON "special_indexes"
WHEN EXISTS (SELECT 1 FROM "special_indexes" WHERE "kind" = ifnull(new."kind", 'x') AND (active = 1) AND NOT ("id" IS old."id"))
  OR EXISTS (SELECT 1 FROM "special_indexes" WHERE (lower(label)) COLLATE BINARY = (SELECT lower(label) FROM (SELECT new."label" AS "label")) AND "kind" COLLATE RTRIM = ifnull(new."kind", 'x') AND NOT ("id" IS old."id"))
  OR EXISTS (SELECT 1 FROM "special_indexes" WHERE "id" = new."id" AND NOT ("id" IS old."id"))
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE "kind" = ifnull(new."kind", 'x') AND (active = 1) AND NOT ("id" IS old."id");
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE (lower(label)) COLLATE BINARY = (SELECT lower(label) FROM (SELECT new."label" AS "label")) AND "kind" COLLATE RTRIM = ifnull(new."kind", 'x') AND NOT ("id" IS old."id");
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  SELECT 7, CASE WHEN "id" IS new."id" THEN 'K' ELSE 'M' END, julianday('now'), "id", "kind", "active", "label"
  FROM "special_indexes" WHERE "id" = new."id" AND NOT ("id" IS old."id");
END;

CREATE TRIGGER "replicator_capture_delete_special_indexes" AFTER DELETE ON "special_indexes"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  VALUES (7, 'D', julianday('now'), old."id", old."kind", old."active", old."label");
END;

CREATE TRIGGER "replicator_capture_rekey_special_indexes" AFTER UPDATE ON "special_indexes" WHEN NOT (new."id" IS old."id")
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, o1, o2, o3, o4)
  VALUES (7, 'D', julianday('now'), old."id", old."kind", old."active", old."label");
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4)
  VALUES (7, 'I', julianday('now'), new."id", new."kind", new."active", new."label");
END;

CREATE TRIGGER "replicator_capture_update_special_indexes" AFTER UPDATE ON "special_indexes" WHEN new."id" IS old."id"
BEGIN
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4, o1, o2, o3, o4)
  VALUES (7, 'U', julianday('now'), new."id", new."kind", new."active", new."label",
    NULL,
    CASE WHEN new."kind" IS NOT old."kind" THEN ifnull(old."kind", new."kind") END,
    CASE WHEN new."active" IS NOT old."active" THEN ifnull(old."active", new."active") END,
    CASE WHEN new."label" IS NOT old."label" THEN ifnull(old."label", new."label") END);
END;

CREATE TRIGGER "replicator_capture_insert_special_indexes" AFTER INSERT ON "special_indexes"
BEGIN
  -- not replicated: "local"
  INSERT INTO replicator_outbox (tbl, op, at, n1, n2, n3, n4)
  VALUES (7, 'I', julianday('now'), new."id", new."kind", new."active", new."label");
END;
