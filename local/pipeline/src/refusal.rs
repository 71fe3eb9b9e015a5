//! How the engine refuses a call: with the error code that AWS has for it, and a sentence.

/// An error of CodePipeline's API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

/// The error codes that the engine answers with, as AWS names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    ActionNotFound,
    ApprovalAlreadyCompleted,
    Conflict,
    DuplicatedStopRequest,
    InvalidApprovalToken,
    InvalidJobState,
    InvalidNextToken,
    JobNotFound,
    NotLatestPipelineExecution,
    OutputVariablesSizeExceeded,
    PipelineExecutionNotFound,
    PipelineExecutionNotStoppable,
    PipelineNotFound,
    PipelineVersionNotFound,
    StageNotFound,
    StageNotRetryable,
    UnableToRollbackStage,
    UnknownOperation,
    Validation,
}

impl Code {
    /// Names the exception.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ActionNotFound => "ActionNotFoundException",
            Self::ApprovalAlreadyCompleted => "ApprovalAlreadyCompletedException",
            Self::Conflict => "ConflictException",
            Self::DuplicatedStopRequest => "DuplicatedStopRequestException",
            Self::InvalidApprovalToken => "InvalidApprovalTokenException",
            Self::InvalidJobState => "InvalidJobStateException",
            Self::InvalidNextToken => "InvalidNextTokenException",
            Self::JobNotFound => "JobNotFoundException",
            Self::NotLatestPipelineExecution => "NotLatestPipelineExecutionException",
            Self::OutputVariablesSizeExceeded => "OutputVariablesSizeExceededException",
            Self::PipelineExecutionNotFound => "PipelineExecutionNotFoundException",
            Self::PipelineExecutionNotStoppable => "PipelineExecutionNotStoppableException",
            Self::PipelineNotFound => "PipelineNotFoundException",
            Self::PipelineVersionNotFound => "PipelineVersionNotFoundException",
            Self::StageNotFound => "StageNotFoundException",
            Self::StageNotRetryable => "StageNotRetryableException",
            Self::UnableToRollbackStage => "UnableToRollbackStageException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Validation => "ValidationException",
        }
    }

    /// Gives the HTTP status that AWS answers with.
    #[must_use]
    pub fn status(self) -> u16 {
        if self == Self::Conflict { 409 } else { 400 }
    }

    pub(crate) fn because(self, message: impl Into<String>) -> Refusal {
        Refusal { code: self, message: message.into() }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
