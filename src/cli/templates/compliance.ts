import { ndjson, type Template } from './template.ts'

/** Personal data marked property by property, a schema as contract of the input, strict checks. */
export const compliance: Template = {
  summary: 'patients with marked personal data, a schema as contract of the input, strict checks',
  files: {
    'entities/patient.yaml': `# sensitive says what kind of personal data a property is, treatment how redaction replaces it.
patient:
  starts: registered
  identity:
    record_no: { normalize: "str::trim(value)" }
  properties:
    record_no: { type: string, sensitive: pii, treatment: hash }
    name: { type: string, sensitive: pii, treatment: redact }
    phone: { type: string, sensitive: pii, treatment: mask }
    diagnosis: { type: string, sensitive: phi, treatment: redact }
    consent: { type: boolean, default: false }
  states:
    registered:
      when:
        patient_registered:
          effects:
            - create
            - { set: { property: record_no, from: event.record_no } }
            - { set: { property: name, from: event.name } }
            - { set: { property: phone, from: event.phone } }
        consent_given:
          effects:
            - { set: { property: consent, value: true } }
            - { transition: { to: in_care } }
    in_care:
      when:
        diagnosed:
          guard: "entity.consent"
          effects: [{ set: { property: diagnosis, from: event.diagnosis } }]
        consent_withdrawn:
          effects:
            - { set: { property: consent, value: false } }
            - { set: { property: diagnosis, value: null } }
            - { transition: { to: closed } }
      after:
        - { type: inactivity, threshold: 365d, effects: [{ transition: { to: closed } }] }
    closed: {}
`,
    'sources/clinic.yaml': `clinic:
  event_type: type
  timestamp: at
  events:
    patient_registered:
      mappings:
        record_no: { from: record, type: string }
        name: { from: name }
        phone: { from: phone }
      hints: { patient: [record_no] }
    consent_given:
      mappings: { record_no: { from: record, type: string } }
      hints: { patient: [record_no] }
    diagnosed:
      mappings:
        record_no: { from: record, type: string }
        diagnosis: { from: code }
      hints: { patient: [record_no] }
    consent_withdrawn:
      mappings: { record_no: { from: record, type: string } }
      hints: { patient: [record_no] }
`,
    'schemas/clinic.yaml': `# What every normalized event has to fulfil; records that do not are dead letters.
patient_registered:
  fields:
    record_no: { type: string, required: true, min_length: 4 }
    name: { type: string, required: true }
    phone: { type: string, regex: "^[+0-9 ]*$" }
consent_given:
  fields:
    record_no: { type: string, required: true }
diagnosed:
  fields:
    record_no: { type: string, required: true }
    diagnosis: { type: string, required: true, regex: "^[A-Z][0-9]{2}(\\\\.[0-9]+)?$" }
consent_withdrawn:
  fields:
    record_no: { type: string, required: true }
`,
    'sample/clinic.ndjson': ndjson([
      {
        type: 'patient_registered',
        at: '2024-02-01T08:00:00Z',
        record: 'P-1001',
        name: 'Ana Sample',
        phone: '+49 30 1234567',
      },
      { type: 'consent_given', at: '2024-02-01T08:10:00Z', record: 'P-1001' },
      { type: 'diagnosed', at: '2024-02-03T10:00:00Z', record: 'P-1001', code: 'J45.0' },
      { type: 'diagnosed', at: '2024-02-03T10:05:00Z', record: 'P-1001', code: 'unreadable' },
      {
        type: 'patient_registered',
        at: '2024-02-05T09:00:00Z',
        record: 'P-1002',
        name: 'Ben Sample',
        phone: '030 7654321',
      },
    ]),
  },
  next: [
    'defacto check --strict',
    'defacto ingest clinic sample/clinic.ndjson --process',
    'defacto table patient',
    'defacto dlq list',
  ],
}
