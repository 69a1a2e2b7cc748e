"""Everything that the OpenAPI document allows, and much that it does not, asked of the whole system by a machine."""

from tests.app.step2.test_schemathesis import st_run

# Bytes that are no picture, ids of no job and labels of no model are as good as any to the document.
EXPECTED = {
    "POST /v1/classify": ("2xx", "415", "422"),
    "POST /v1/jobs": ("2xx", "415", "422"),
    "GET /v1/jobs/{job_id}": ("2xx", "404"),
    "DELETE /v1/jobs/{job_id}": ("2xx", "404", "409"),
    "GET /v1/jobs/{job_id}/events": ("2xx", "404"),
    "POST /v1/feedback": ("2xx", "404", "422"),
}
# A job that was cancelled, while it waited, is there all the same: its status says so.
NOT_MEANT = "[checks]\nuse_after_free.enabled = false\n"


def test_the_service_does_what_its_document_says(system, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(
        NOT_MEANT
        + "".join(
            f'[[operations]]\ninclude-name = "{name}"\n'
            f"checks.positive_data_acceptance.expected-statuses = {[*statuses]}\n".replace("'", '"')
            for name, statuses in EXPECTED.items()
        )
    )

    result = st_run(system.address, tmp_path, "--max-examples", "50")

    assert result.returncode == 0, result.stdout
