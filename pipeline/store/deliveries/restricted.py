"""Which deliveries may not be sent: of people whose data is kept and not used (article 18 of the GDPR)."""

from __future__ import annotations

# A condition on a row of `deliveries`. What goes out all the same: that they took back a consent, and that their record
# is to go. Nobody is restricted, or a few are: the view is read once a statement.
SENDABLE = """(
    coalesce(parent_id, person_id) NOT IN (SELECT r.person_id FROM people_restricted r) OR wanted = 'absent'
    OR EXISTS (SELECT FROM person_consents c WHERE c.consent_id = deliveries.person_id AND c.is_withdrawn))"""
