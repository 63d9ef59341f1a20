"""Certification of FIX sessions, orders and controls: cases by name, run over real sockets."""
