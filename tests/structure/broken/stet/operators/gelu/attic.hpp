// a stage that the table does not know
