"""PostgreSQL: psycopg 3, our tables in a schema of our own."""
