"""Ning, Lin and Jaimungal (2018), done again: as published, which is no execution, and on the tape, which is one."""
