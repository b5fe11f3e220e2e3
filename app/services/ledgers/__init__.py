"""Ledgers (台账): everything an organisation can show for a period, as one zip file."""
