"""The restore drill, as operators run it."""

import re

from faq.tests.installations import installation


def test_a_drill_goes_from_a_copy_to_a_site_that_answers_and_leaves_the_copy_alone(tmp_path):
    with installation(tmp_path) as site:
        site.manage("prepare")
        told = site.run("ops/drill.py")
        steps = re.findall(r"^ +\d+\.\d s  ([^:,\n]*)", told, re.M)
        assert steps == [
            "a copy of everything", "restored into a scratch database and verified",
            "an empty site", "static files", "started", "read from it", "in all",
        ]  # fmt: skip
        assert "20 questions, 20 editions, 40 entries of the log" in told and "3 answers, the log-in" in told
        assert re.search(r"From this copy to a site that answers: \d+ s,", told)
        assert len(list((tmp_path / "backups").glob("kb-*"))) == 1
        counted = "from faq.models import BackupProof; print(BackupProof.objects.count())"
        assert site.manage("shell", "-v0", "-c", counted).strip() == "1"
