"""Seeds that once found something; they are run with every test.

What a seed does belongs to the simulator as it was on that day: a change of its dice gives the seed another story. So
these are a share of seeds like any other by now, kept with what was found by them. They are played without numbers,
which came later.
"""

SEEDS: dict[int, str] = {
    9: "a group that ended exactly where a slice was full was never published: the slice counted as cut in its middle",
    31: "a row that held two unique values was moved aside in one of them only",
    78: "the first batch of a new epoch was lost and never sent again: acks of the old epoch said nothing",
    160: "a verdict and then a clean change of the same row in one group: the origin kept the verdict's state",
    226: "a private row took the snapshot's position for its base although the rule withheld the host's row",
    312: "rows of a table that a rule in the same slice brought were passed over",
    321: "a row made room by taking a name that a row nobody had looked up held already",
    333: "what was refused at a station without a rule for the table was dropped without a record",
    903: "a row that came to stand in part passed for all that its group had made of it",
    560: "a table that became replicated was still read by what was known of it as one that was not",
    18733: "of a group's insert that knew nothing of the host's row the rest overwrote it without a record",
    5071: "a row whose insert was forbidden came in by the change that followed it, as its policy let the station win",
    758: "a restored station's row that the host had deleted since came back without a record, by way of a snapshot",
    948: "an answer of a table without a rule waited for a parent, and went without a record when that had come",
    550: "a batch whose content was acknowledged before its station was set back could never be sent",
    6729: "a row went that a table of the application alone referred to",
}

AS_IT_IS = "as it is"
NUMBER_SEEDS: dict[tuple[int, str], str] = {
    (101, ""): "a full column: its station asked for more with each run, and each time was told that there is none",
    (111, ""): "what was left of a block of keys when higher ones came stayed held on the ledger for ever",
    (
        125,
        "",
    ): "higher keys came with a batch, and until the next run none could be drawn though there was a block above",
    (107, ""): "a copy that became a station of its own had no part in the ranges",
    (
        15,
        "restore",
    ): "a copy's first epoch lay below its original's: what it wrote under its own name counted as forgotten",
    (64, "host-restore"): "a number that was filled in behind an insert, and came twice, was refused: its row stayed",
    (159, ""): "a station's first snapshot never came, and the checker thought that it had",
    (
        68,
        AS_IT_IS,
    ): "a grant between a station's new stream and what that begins with was lost here, and drawn from there",
    (
        70048,
        AS_IT_IS,
    ): "a new host numbers its comparisons anew: at a station one of them passed for one of the former host's",
    (
        762,
        AS_IT_IS,
    ): "what the host did to a row that its backup station had deleted was passed over there, and deleted for all",
    (
        898,
        AS_IT_IS,
    ): "the former host's delete of a parent that a backup station had to keep was undone without a record",
    (
        466,
        AS_IT_IS,
    ): "numbers that a station gave back to the former host just before the fire were held for ever at the new one",
    (736, AS_IT_IS): "what a station answers to a former host was not counted among the mails of its run",
    (
        100,
        AS_IT_IS,
    ): "a row was under way when its station was let go and its rule let no more new rows down: no load brought it",
    (
        167,
        AS_IT_IS,
    ): "rows of a table that its station had changed before it heard of that held up all that came with them for ever",
    (
        186,
        AS_IT_IS,
    ): "a column that was renamed twice was made anew under its second name, where the station had the third",
    (
        196,
        AS_IT_IS,
    ): "rows that were still to come with the values of a new column were told as different by a comparison",
    (
        900,
        AS_IT_IS,
    ): "two rows of a transaction that were set aside of a load came back in two batches, and so it was half there",
    (
        968,
        AS_IT_IS,
    ): "a copy was told that a mail could not be forwarded, and its original forwarded it: that was never settled",
    (249, AS_IT_IS): "a backup station's state went by parts of some bytes, as its mailbox took no larger ones",
    (946, AS_IT_IS): "of a column that the host's application had renamed, its name was loaded for a value",
    (2573, AS_IT_IS): "a column that the host had renamed since was made where it stood under its new name already",
    (3430, AS_IT_IS): "keys of a block that was used to its last one were told as unused, as the counter had jumped on",
    (
        3561,
        AS_IT_IS,
    ): "of a group's two records of a row the second waited in quarantine: a delete counted as based on both",
    (
        4159,
        AS_IT_IS,
    ): "a backup station was loaded with older versions of what was written just before, and became the host",
    (
        2003,
        AS_IT_IS,
    ): "a copy had not heard that a backup station is the host now, and refused the invitation of that one",
}
"""Likewise, with the fault `numbers` and this one, or as the dice have it."""

SEEDS_WITHOUT: dict[tuple[int, str], str] = {
    (225, "promotion"): "a verdict that came in a segment behind later changes of its row was replayed after them",
}
"""Likewise, as the dice have it but for this fault."""
