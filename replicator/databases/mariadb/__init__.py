"""MariaDB: PyMySQL, our tables beside the application's."""
